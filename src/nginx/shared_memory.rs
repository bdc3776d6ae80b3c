//! Zones of shared memory, which outlive a reload.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use nginx_sys::{
    ngx_conf_t, ngx_int_t, ngx_module_t, ngx_shared_memory_add, ngx_shm_zone_t, ngx_slab_pool_t,
    ngx_str_t,
};

use super::lasting::Lasting;
use super::rc;

/// Who uses a zone in one configuration.
pub trait User {
    /// The memory is there: new, or as the configuration before a reload left it.
    fn take(&self, memory: Memory, is_new: bool);
}

/// The pages of a zone, of which its user alone has something. NGINX unmaps them after the configuration.
#[derive(Clone, Copy)]
pub struct Memory {
    pub base: NonNull<u8>,
    pub len: usize,
}

/// Adds a zone for a user; `None` if it cannot be had, as where another module has one of that name.
pub fn add<U: User>(
    cf: &mut ngx_conf_t,
    module: &'static ngx_module_t,
    name: &str,
    size: usize,
    user: Lasting<U>,
) -> Option<()> {
    let tag = ptr::from_ref(module).cast_mut().cast();
    // SAFETY: the parser is live, and its pool the configuration's; NGINX copies the name's pointer, which
    // is in that.
    let zone = unsafe {
        let mut name = ngx_str_t::from_bytes(cf.pool, name.as_bytes())?;
        ngx_shared_memory_add(cf, &mut name, size, tag).as_mut()?
    };
    zone.init = Some(init::<U>);
    zone.data = user.as_ptr().cast();
    Some(())
}

unsafe extern "C" fn init<U: User>(zone: *mut ngx_shm_zone_t, inherited: *mut c_void) -> ngx_int_t {
    // SAFETY: NGINX calls back with the zone that `add` gave its user, and the zone's memory starts with a
    // pool of slabs, from which nobody allocates any.
    let (user, pool) = unsafe {
        let Some(zone) = zone.as_ref() else {
            return rc::ERROR;
        };
        (zone.data.cast::<U>().as_ref(), zone.shm.addr.cast::<ngx_slab_pool_t>().as_ref())
    };
    let (Some(user), Some(pool)) = (user, pool) else {
        return rc::ERROR;
    };
    let Some(base) = NonNull::new(pool.start) else {
        return rc::ERROR;
    };
    let len = (pool.end as usize).saturating_sub(pool.start as usize);
    user.take(Memory { base, len }, inherited.is_null());
    rc::OK
}
